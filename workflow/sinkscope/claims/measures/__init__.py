"""Measures of claims. Every module in this package is discovered automatically."""

from sinkscope.discovery import additions

__path__ = [*__path__, *additions(__name__)]

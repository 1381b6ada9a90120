"""Measurements beyond the atlas: one folder per experiment, each discovered automatically."""

from sinkscope.discovery import additions

__path__ = [*__path__, *additions(__name__)]

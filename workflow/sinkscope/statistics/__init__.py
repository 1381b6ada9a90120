"""Statistics of the attention, each declared once. Every module here is discovered
automatically."""

from sinkscope.discovery import additions

__path__ = [*__path__, *additions(__name__)]

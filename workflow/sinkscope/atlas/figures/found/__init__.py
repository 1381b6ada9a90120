"""Figures of the section on which tokens are sinks."""

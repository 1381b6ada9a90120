"""One citable file of a finished run: a Workflow Run RO-Crate, as a zip."""

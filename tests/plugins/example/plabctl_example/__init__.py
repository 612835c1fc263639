"""An example of plug-ins for plabctl; `docs/plugins.md` explains it."""

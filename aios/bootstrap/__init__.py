"""The composition root: settings become a wired kernel. The only place that knows the concrete classes of several services."""

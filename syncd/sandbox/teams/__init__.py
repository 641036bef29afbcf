"""The sales teams of the sandbox, one module for each vendor, named as the connector's."""

"""The command: one file a sub-command, flags made from the fields of the configuration."""

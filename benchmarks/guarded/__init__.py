"""What the access manager decides, asks and writes down, measured: E8."""

"""Which doors are there for programs that know other libraries?  Each module needs an extra of its name."""

"""The engine of canireuse: it loads specs, has adapters translate them, runs the scripts and judges."""

VERSION = "0.1.0"

"""How to talk to a Responses server, whatever the framework: a pure core and two thin drivers."""

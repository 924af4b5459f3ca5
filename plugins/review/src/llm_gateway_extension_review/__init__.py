"""Reviews by several agents, a loop until they approve, and questions to several agents. All survive the end of a gateway."""

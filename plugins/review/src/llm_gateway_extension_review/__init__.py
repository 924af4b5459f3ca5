"""Reviews by several agents at once, a loop until they approve, and questions to many: durable, whoever dies meanwhile."""

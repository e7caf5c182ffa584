"""How messages reach RabbitMQ (or the embedded broker) and come back; knows only `tasks`."""

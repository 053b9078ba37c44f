"""Files of the log that are too long to be sent at once: asked for, made, kept for a day, sent."""

"""`callboard doctor`: looks at a running installation from its settings and says what to do."""

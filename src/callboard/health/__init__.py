"""What is wrong with this installation right now, and what to do about it: `GET /api/health`."""

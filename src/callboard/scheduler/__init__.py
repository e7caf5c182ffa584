"""The every-minute work, ticked by periodiq."""

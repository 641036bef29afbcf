"""What it costs, measured. Each program prints rows of JSON that name the machine they come from."""

"""What people read: tables of slots, batches, scenarios, learning and benches, and pictures."""

"""What a user may set: fields, schedules, the configuration of a training."""

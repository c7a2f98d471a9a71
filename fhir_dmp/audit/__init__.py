"""The trace of who did what with whose record: AuditEvents, their export, their reading, their chain. Pure."""

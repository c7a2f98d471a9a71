"""The habilitation matrix that holds now, and all that held before: kept in the database, followed by its servers."""

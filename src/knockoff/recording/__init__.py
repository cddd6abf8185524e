"""From one event to filled documents: the whole system in one room."""

"""From what is written to what subscribers are told: collected by one worker, decided when it is sent."""

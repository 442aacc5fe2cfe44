"""Who answers an alert."""

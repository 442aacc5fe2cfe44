"""From journals to a verdict. Pure: no driver, no fault's code, nothing but what the journals hold."""

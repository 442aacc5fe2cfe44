"""From snapshots and events to models, and the judgement of a model on a day it has not seen."""

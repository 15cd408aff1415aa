"""Features on Feast: what the provider registers, the step `load` joins as of each row's time, and the model server looks up.

Importing Feast takes seconds: only modules under `trueup.features.feast_*` import it at their top, and they are imported late.
"""

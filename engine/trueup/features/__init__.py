"""Features on Feast: what the provider registers, the step `load` joins as of each row's time, and the model server looks up.

Importing Feast takes seconds: only `trueup.features.feast` does, and it is imported late.
"""

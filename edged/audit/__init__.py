"""What a data protection officer asks of a device, answered from what is so and not from plans.

gather.py    asks the running engine and reads the configuration, without a picture
report.py    the same as text to be filed
"""

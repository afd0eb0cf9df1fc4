"""Plans, renders and results for people: data frames, plots, and the HTML of notebooks and reports.

Results import this layer only when they are shown. pandas and matplotlib are needed for data frames and plots alone, and come
with the extra ``analysis``.
"""

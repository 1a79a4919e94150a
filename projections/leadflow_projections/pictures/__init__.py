"""Pictures of figures: PNG, SVG, and one self-contained HTML page.

Drawn without a browser and without the network.
"""

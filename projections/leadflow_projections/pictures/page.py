def funnel_page(f):
    return ""

"""`mtscene view`: recordings and live topics in a Rerun viewer. Only this folder imports rerun."""

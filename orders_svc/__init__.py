"""API clients and dashboard users, labs with settings and catalogs, and the orders sent to them."""

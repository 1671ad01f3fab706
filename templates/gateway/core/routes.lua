-- What the gateway answers to; everything else is 404. nginx.conf names the paths, this table what may be asked there;
-- `open` routes are asked without a key.
return {
  chat = { methods = "POST", body = true },
  completions = { methods = "POST", body = true },
  generate = { methods = "POST", body = true },
  embeddings = { methods = "POST", body = true },
  models = { methods = "GET" },
  health = { methods = "GET", open = true },
  openapi = { methods = "GET", open = true },
  token = { methods = "POST", open = true },
}

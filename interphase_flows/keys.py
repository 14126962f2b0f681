from interphase_flows.storage.keys import content_key as content_key

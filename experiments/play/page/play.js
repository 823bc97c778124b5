x {{token}}

OPERATOR = "operator@demo.example"

module github.com/allocdb/allocdb-go

go 1.24

// Marks this folder as a module; what it requires is in etcd-<line>.mod, one file for each release line of etcd, which
// `go build -modfile` takes in place of this one. To move a line to its newest release:
//
//	go get -modfile=etcd-3.7.mod go.etcd.io/etcd/server/v3@v3.7 && go mod tidy -modfile=etcd-3.7.mod
module etcd-versions

go 1.24

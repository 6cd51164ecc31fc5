// Command etcd is the etcd server of one release line, built from its Go module, so that the
// conformance suite can ask each line how it behaves. It adds nothing to etcd: all arguments are etcd's.
package main

import (
	"os"

	"go.etcd.io/etcd/server/v3/etcdmain"
)

func main() {
	etcdmain.Main(os.Args)
}

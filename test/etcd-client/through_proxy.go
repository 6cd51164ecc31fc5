// Package integration gets this file in place of cluster_direct.go of etcd's test framework. Each member that a client
// dials has a proxy of its own in front of it, and the client dials the proxy. Clients of the same member share the
// proxy. Without PROXY_COMMAND clients dial the member.
package integration

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"time"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	clientv3 "go.etcd.io/etcd/client/v3"
	"go.etcd.io/etcd/server/v3/etcdserver/api/v3election/v3electionpb"
	"go.etcd.io/etcd/server/v3/etcdserver/api/v3lock/v3lockpb"
)

// ThroughProxy would make tests skip or expect what etcd's own proxy cannot do. They should expect what etcd does.
const ThroughProxy = false

// commandVariable has the program of the proxy and its arguments, as a JSON array.
const commandVariable = "PROXY_COMMAND"

const (
	startTimeout = 20 * time.Second
	// A closed client may still be ending its streams.
	stopDelay = 2 * time.Second
)

// ToGRPC returns the stubs of the raw API on the client's connection.
func ToGRPC(client *clientv3.Client) GRPCAPI {
	connection := client.ActiveConnection()
	return GRPCAPI{
		Cluster:     pb.NewClusterClient(connection),
		KV:          pb.NewKVClient(connection),
		Lease:       pb.NewLeaseClient(connection),
		Watch:       pb.NewWatchClient(connection),
		Maintenance: pb.NewMaintenanceClient(connection),
		Auth:        pb.NewAuthClient(connection),
		Lock:        v3lockpb.NewLockClient(connection),
		Election:    v3electionpb.NewElectionClient(connection),
	}
}

func newClientV3(cfg clientv3.Config) (*clientv3.Client, error) {
	text := os.Getenv(commandVariable)
	if text == "" {
		return clientv3.New(cfg)
	}
	if cfg.TLS != nil {
		return nil, errors.New("through a proxy, clients cannot use TLS")
	}
	var command []string
	if err := json.Unmarshal([]byte(text), &command); err != nil {
		return nil, fmt.Errorf("%s: %w", commandVariable, err)
	}
	var used []*proxy
	release := func() {
		for _, p := range used {
			p.release()
		}
	}
	endpoints := make([]string, 0, len(cfg.Endpoints))
	for _, endpoint := range cfg.Endpoints {
		p, err := acquireProxy(command, endpoint)
		if err != nil {
			release()
			return nil, err
		}
		used = append(used, p)
		endpoints = append(endpoints, p.endpoint())
	}
	cfg.Endpoints = endpoints
	client, err := clientv3.New(cfg)
	if err != nil {
		release()
		return nil, err
	}
	context.AfterFunc(client.Ctx(), release)
	return client, nil
}

var (
	proxiesMu sync.Mutex
	proxies   = map[string]*proxy{}
)

// proxy is a process in front of one member.
type proxy struct {
	member  string
	folder  string
	process *exec.Cmd
	clients int
}

func acquireProxy(command []string, endpoint string) (*proxy, error) {
	member, err := absolute(endpoint)
	if err != nil {
		return nil, err
	}
	proxiesMu.Lock()
	defer proxiesMu.Unlock()
	p := findProxy(member)
	if p == nil {
		if p, err = startProxy(command, member); err != nil {
			return nil, err
		}
		proxies[member] = p
	}
	p.clients++
	return p, nil
}

// findProxy also finds a proxy by its own endpoint: tests take endpoints from clients that have one.
func findProxy(endpoint string) *proxy {
	for member, p := range proxies {
		if endpoint == member || endpoint == p.endpoint() {
			return p
		}
	}
	return nil
}

// absolute resolves the socket's path, because each test has a working directory of its own.
func absolute(endpoint string) (string, error) {
	path, isSocket := strings.CutPrefix(endpoint, "unix:")
	if !isSocket {
		return endpoint, nil
	}
	path, err := filepath.Abs(strings.TrimPrefix(path, "//"))
	return "unix://" + path, err
}

func startProxy(command []string, member string) (*proxy, error) {
	folder, err := os.MkdirTemp("", "p")
	if err != nil {
		return nil, err
	}
	p := &proxy{member: member, folder: folder}
	upstream := member
	if path, isSocket := strings.CutPrefix(member, "unix://"); isSocket {
		// The path of a test's folder can be longer than the address of a socket may be.
		link := filepath.Join(folder, "etcd")
		if err := os.Symlink(path, link); err != nil {
			return nil, err
		}
		upstream = "unix://" + link
	}
	arguments := append(command[1:len(command):len(command)], "--endpoints", upstream, "--listen-addr", p.endpoint())
	p.process = exec.Command(command[0], arguments...)
	// Files, so that no goroutine copies them: tests fail on a goroutine that is left.
	p.process.Stdout, p.process.Stderr = os.Stderr, os.Stderr
	if err := p.process.Start(); err != nil {
		return nil, err
	}
	for deadline := time.Now().Add(startTimeout); ; time.Sleep(10 * time.Millisecond) {
		connection, err := net.Dial("unix", p.listener())
		if err == nil {
			connection.Close()
			return p, nil
		}
		if time.Now().After(deadline) {
			p.stop()
			return nil, fmt.Errorf("the proxy in front of %s does not listen: %w", member, err)
		}
	}
}

func (p *proxy) listener() string { return filepath.Join(p.folder, "proxy") }

func (p *proxy) endpoint() string { return "unix://" + p.listener() }

func (p *proxy) release() {
	time.AfterFunc(stopDelay, func() {
		proxiesMu.Lock()
		defer proxiesMu.Unlock()
		p.clients--
		if p.clients > 0 {
			return
		}
		delete(proxies, p.member)
		p.stop()
	})
}

func (p *proxy) stop() {
	p.process.Process.Kill()
	p.process.Wait()
	os.RemoveAll(p.folder)
}

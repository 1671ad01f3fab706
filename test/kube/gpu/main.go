// Plays NVIDIA's device plugin on hosts without a GPU: it offers two devices to the kubelet. With DCGM_EXPORTER_LISTEN
// set it plays NVIDIA's exporter.
package main

import (
	"context"
	"fmt"
	"log"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	api "k8s.io/kubelet/pkg/apis/deviceplugin/v1beta1"
)

const (
	folder = api.DevicePluginPath
	socket = "gpu.sock"
	count  = 2
)

type plugin struct {
	api.UnimplementedDevicePluginServer
}

func devices() []*api.Device {
	var all []*api.Device
	for i := range count {
		all = append(all, &api.Device{ID: fmt.Sprintf("GPU-%d", i), Health: api.Healthy})
	}
	return all
}

func (plugin) GetDevicePluginOptions(context.Context, *api.Empty) (*api.DevicePluginOptions, error) {
	return &api.DevicePluginOptions{}, nil
}

func (plugin) ListAndWatch(_ *api.Empty, stream api.DevicePlugin_ListAndWatchServer) error {
	if err := stream.Send(&api.ListAndWatchResponse{Devices: devices()}); err != nil {
		return err
	}
	<-stream.Context().Done()
	return nil
}

func (plugin) Allocate(_ context.Context, asked *api.AllocateRequest) (*api.AllocateResponse, error) {
	answer := &api.AllocateResponse{}
	for _, one := range asked.ContainerRequests {
		given := &api.ContainerAllocateResponse{Envs: map[string]string{"NVIDIA_VISIBLE_DEVICES": fmt.Sprint(one.DevicesIds)}}
		answer.ContainerResponses = append(answer.ContainerResponses, given)
	}
	return answer, nil
}

func register() error {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	connection, err := grpc.NewClient("unix://"+api.KubeletSocket, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		return err
	}
	defer connection.Close()
	_, err = api.NewRegistrationClient(connection).Register(ctx, &api.RegisterRequest{
		Version: api.Version, Endpoint: socket, ResourceName: "nvidia.com/gpu",
	})
	return err
}

func main() {
	if listen := os.Getenv("DCGM_EXPORTER_LISTEN"); listen != "" {
		log.Fatal(http.ListenAndServe(listen, http.HandlerFunc(func(answer http.ResponseWriter, _ *http.Request) {
			for i := range count {
				fmt.Fprintf(answer, "DCGM_FI_DEV_GPU_UTIL{gpu=\"%d\"} 0\n", i)
			}
		})))
	}
	path := filepath.Join(folder, socket)
	os.Remove(path)
	listener, err := net.Listen("unix", path)
	if err != nil {
		log.Fatal(err)
	}
	server := grpc.NewServer()
	api.RegisterDevicePluginServer(server, plugin{})
	go func() { log.Fatal(server.Serve(listener)) }()
	for {
		if err := register(); err != nil {
			log.Print(err)
			time.Sleep(2 * time.Second)
			continue
		}
		// A kubelet that starts anew removes the socket: whoever restarts us registers again.
		for {
			if _, err := os.Stat(path); err != nil {
				log.Fatal("the kubelet started anew")
			}
			time.Sleep(time.Second)
		}
	}
}

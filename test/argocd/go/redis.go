package main

import (
	"github.com/alicebob/miniredis/v2"
	"github.com/spf13/cobra"
)

// redisCommand serves a Redis in memory. Argo CD keeps only a cache in Redis, so the Redis of Argo CD's own tests is enough.
func redisCommand() *cobra.Command {
	var address string
	command := &cobra.Command{
		Use:   "redis",
		Short: "Serves a Redis in memory",
		RunE: func(*cobra.Command, []string) error {
			server := miniredis.NewMiniRedis()
			if err := server.StartAddr(address); err != nil {
				return err
			}
			select {}
		},
	}
	command.Flags().StringVar(&address, "address", "127.0.0.1:0", "Where to listen")
	return command
}

/* SPDX-License-Identifier: MIT
 *
 * Registers "my service identifier" in circuits of one hop, or of as many as
 * are given, and says something to everybody who registers the same:
 * register_service CONFIG_FILE [HOPS]
 */
#include <warren.h>

#include <event2/event.h>

#include <stdio.h>
#include <stdlib.h>

static struct warren *node;

static void on_peer(void *arg, const struct warren_peer *peer)
{
    const char message[] = "my message to this peer";

    (void)arg;
    printf("found %s\n", peer->destination);
    warren_tunnel_data(node, 0, peer->destination, "data", message,
                       sizeof(message) - 1);
}

static void on_data(void *arg, const struct warren_peer *peer, uint16_t port,
                    const void *payload, size_t len)
{
    (void)arg, (void)port;
    printf("%s says: %.*s\n", peer->destination, (int)len,
           (const char *)payload);
}

int main(int argc, char **argv)
{
    struct warren_service_options service = {.on_peer = on_peer,
                                             .on_data = on_data};
    struct event_base *base = event_base_new();
    struct warren_options options = {0};
    unsigned hops = argc > 2 ? (unsigned)atoi(argv[2]) : 1;
    char why[WARREN_WHY_SIZE];
    int error;

    setlinebuf(stdout);
    options.config_file = argc > 1 ? argv[1] : NULL;
    node = warren_new(base, &options, why, sizeof(why));
    if (node == NULL) {
        fprintf(stderr, "%s\n", why);
        return 1;
    }
    error = warren_register_service(node, "my service identifier", hops,
                                    &service, NULL);
    if (error == WARREN_OK)
        event_base_dispatch(base);
    warren_free(node);
    event_base_free(base);
    return error == WARREN_OK ? 0 : 1;
}

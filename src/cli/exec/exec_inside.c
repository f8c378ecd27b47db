/* SPDX-License-Identifier: MIT
 *
 * Packets of the namespace leave by lo and come in there:
 *
 *     to 127/8, ::1          as anywhere; likewise to the one other address
 *     from our raw sockets   to the program: they have a mark, which it cannot
 *                            set
 *     TCP, UDP               to our sockets (TPROXY), or, of a connection that
 *                            is there, to its own end
 *     all others             refused
 */
#include "cli/exec/exec_inside.h"

#include "cli/exec/exec_hide.h"
#include "cli/exec/exec_names.h"
#include "cli/exec/exec_privileges.h"
#include "node/os/sockaddr.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define BACKLOG   1024
#define MARK      0x77
#define DNS_PORT  53
#define RULES_MAX 1024
#define SAID_MAX  256

#ifndef IPV6_RECVORIGDSTADDR
#define IPV6_RECVORIGDSTADDR 74
#endif

/* ---- Programs ----------------------------------------------------------- */

/* A file without a name, with this in it. */
static int file_of(const char *text)
{
    int fd = memfd_create("warren", MFD_CLOEXEC);

    if (fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text) &&
        lseek(fd, 0, SEEK_SET) == 0)
        return fd;
    if (fd >= 0)
        close(fd);
    return -1;
}

static void become(char *const argv[], int in, int said)
{
    static char path[] = "PATH=/usr/sbin:/usr/bin:/sbin:/bin";
    static char language[] = "LC_ALL=C";
    static char *environment[] = {path, language, NULL};

    dup2(in, STDIN_FILENO);
    dup2(said, STDOUT_FILENO);
    dup2(said, STDERR_FILENO);
    putenv(path);
    if (exec_keep_network_privileges())
        execvpe(argv[0], argv, environment);
    dprintf(STDERR_FILENO, "%s: %s", argv[0],
            errno == ENOENT ? "not installed" : strerror(errno));
    _exit(EXIT_FAILURE);
}

/* Its first line, in the place of more. */
static void say_output(int said, const char *program, struct text *why)
{
    char line[SAID_MAX];
    ssize_t r = pread(said, line, sizeof(line) - 1, 0);

    line[r < 0 ? 0 : r] = '\0';
    line[strcspn(line, "\n")] = '\0';
    if (strncmp(line, program, strlen(program)) != 0)
        text_addf(why, "%s: ", program);
    text_add_printable(why, bytes_of_text(line));
}

/* Runs it with `text` as its standard input. */
static enum error feed(char *const argv[], const char *text, struct text *why)
{
    int in = file_of(text), said = file_of(""), status = -1;
    pid_t pid = in < 0 || said < 0 ? -1 : fork();

    if (pid == 0)
        become(argv, in, said);
    if (pid > 0)
        waitpid(pid, &status, 0);
    if (pid < 0)
        text_addf(why, "%s: %s", argv[0], strerror(errno));
    else if (status != 0)
        say_output(said, argv[0], why);
    if (in >= 0)
        close(in);
    if (said >= 0)
        close(said);
    return status == 0 ? OK : ERR_UNSUPPORTED;
}

static enum error run_ip(const char *commands, struct text *why)
{
    static char ip[] = "ip", batch[] = "-batch", in[] = "-";
    static char *argv[] = {ip, batch, in, NULL};

    return feed(argv, commands, why);
}

static enum error run_nft(const char *rules, struct text *why)
{
    static char nft[] = "nft", file[] = "-f", in[] = "-";
    static char *argv[] = {nft, file, in, NULL};

    return feed(argv, rules, why);
}

/* ---- Addresses and rules ------------------------------------------------ */

static const struct {
    const char *commands, *rules; /* of TCP's port, and UDP's */
} families[FAMILIES] = {
    {"link set lo up\n"
     "addr add " EXEC_OWN_IPV4 "/32 dev lo\n"
     "route add local 0.0.0.0/0 dev lo src " EXEC_OWN_IPV4 "\n",
     "table ip warren {\n"
     "  chain packets {\n"
     "    type filter hook prerouting priority mangle; policy drop;\n"
     "    ip daddr 127.0.0.0/8 accept\n"
     "    ip daddr " EXEC_OWN_IPV4 " accept\n"
     "    meta mark %#x accept\n"
     "    meta l4proto tcp tproxy to :%u accept\n"
     "    meta l4proto udp tproxy to :%u accept\n"
     "    icmp type destination-unreachable accept\n"
     "    reject\n"
     "  }\n"
     "}\n"},
    {"addr add " EXEC_OWN_IPV6 "/128 dev lo nodad\n"
     "route add local ::/0 dev lo src " EXEC_OWN_IPV6 "\n",
     "table ip6 warren {\n"
     "  chain packets {\n"
     "    type filter hook prerouting priority mangle; policy drop;\n"
     "    ip6 daddr ::1 accept\n"
     "    ip6 daddr " EXEC_OWN_IPV6 " accept\n"
     "    meta mark %#x accept\n"
     "    meta l4proto tcp tproxy to :%u accept\n"
     "    meta l4proto udp tproxy to :%u accept\n"
     "    icmpv6 type destination-unreachable accept\n"
     "    reject\n"
     "  }\n"
     "}\n"}};

/* ---- Sockets ------------------------------------------------------------ */

static bool set(int fd, int level, int name, int value)
{
    return setsockopt(fd, level, name, &value, sizeof(value)) == 0;
}

/* Takes what went to any address. */
static bool make_transparent(int fd, enum family family, int type)
{
    if (family == FAMILY_IPV4)
        return set(fd, SOL_IP, IP_TRANSPARENT, 1) &&
               (type != SOCK_DGRAM || set(fd, SOL_IP, IP_RECVORIGDSTADDR, 1));
    return set(fd, SOL_IPV6, IPV6_V6ONLY, 1) &&
           set(fd, SOL_IPV6, IPV6_TRANSPARENT, 1) &&
           (type != SOCK_DGRAM || set(fd, SOL_IPV6, IPV6_RECVORIGDSTADDR, 1));
}

static int domain_of(enum family family)
{
    return family == FAMILY_IPV4 ? AF_INET : AF_INET6;
}

/* A port that the kernel has chosen goes to `port`. */
static int bound(enum family family, int type, unsigned *port)
{
    int fd = socket(domain_of(family), type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    const struct endpoint any = {.family = (uint8_t)family};
    struct sockaddr_storage sa;
    socklen_t len = sockaddr_from_endpoint(&any, &sa);
    struct endpoint at;

    if (fd < 0)
        return -1;
    if (make_transparent(fd, family, type) &&
        bind(fd, (struct sockaddr *)&sa, len) == 0 &&
        (type != SOCK_STREAM || listen(fd, BACKLOG) == 0) &&
        getsockname(fd, (struct sockaddr *)&sa, &len) == 0 &&
        sockaddr_to_endpoint((struct sockaddr *)&sa, &at) == OK) {
        *port = at.port;
        return fd;
    }
    close(fd);
    return -1;
}

static int raw(enum family family)
{
    int fd = socket(domain_of(family), SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC,
                    IPPROTO_RAW);

    if (fd >= 0 && !set(fd, SOL_SOCKET, SO_MARK, MARK)) {
        close(fd);
        return -1;
    }
    return fd;
}

/* At all addresses of loopback: a resolv.conf that the machine puts in the
 * place of ours may name another one. */
static int resolver(void)
{
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    const struct sockaddr_in at = {.sin_family = AF_INET,
                                   .sin_port = htons(DNS_PORT)};

    if (fd >= 0 && set(fd, SOL_IP, IP_PKTINFO, 1) &&
        bind(fd, (const struct sockaddr *)&at, sizeof(at)) == 0)
        return fd;
    if (fd >= 0)
        close(fd);
    return -1;
}

/* ---- A family ----------------------------------------------------------- */

static enum error make_family(struct exec_sockets *out, enum family family,
                              struct text *why)
{
    unsigned tcp = 0, udp = 0;
    char rules[RULES_MAX];
    enum error e = run_ip(families[family].commands, why);

    if (e != OK)
        return e;
    out->tcp[family] = bound(family, SOCK_STREAM, &tcp);
    out->udp[family] = bound(family, SOCK_DGRAM, &udp);
    out->raw[family] = raw(family);
    if (out->tcp[family] < 0 || out->udp[family] < 0 || out->raw[family] < 0) {
        text_addf(why, "transparent sockets: %s", strerror(errno));
        return ERR_UNSUPPORTED;
    }
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
    snprintf(rules, sizeof(rules), families[family].rules, MARK, tcp, udp);
#pragma GCC diagnostic pop
    return run_nft(rules, why);
}

static void forget_family(struct exec_sockets *out, enum family family)
{
    int *fds[] = {&out->tcp[family], &out->udp[family], &out->raw[family]};

    for (size_t i = 0; i < sizeof(fds) / sizeof(fds[0]); i++) {
        if (*fds[i] >= 0)
            close(*fds[i]);
        *fds[i] = -1;
    }
}

enum error exec_inside_make(struct exec_sockets *out, struct text *why)
{
    struct text none;
    enum error e;

    memset(out, -1, sizeof(*out));
    e = exec_hide(why);
    if (e == OK)
        e = make_family(out, FAMILY_IPV4, why);
    if (e != OK)
        return e;
    out->dns = resolver();
    if (out->dns < 0) {
        text_addf(why, "the resolver's socket: %s", strerror(errno));
        return ERR_UNSUPPORTED;
    }
    /* A machine may do without IPv6: then the program has none. */
    text_init(&none, SAID_MAX);
    if (make_family(out, FAMILY_IPV6, &none) != OK)
        forget_family(out, FAMILY_IPV6);
    text_deinit(&none);
    return OK;
}

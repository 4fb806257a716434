/* The floor for many bytes: pieces of 64 kB through one TCP connection, each read before the next is sent.
 *
 *     bulk_blocking PIECES
 *
 * Prints the seconds from the listening socket to the last close.
 */
#include <arpa/inet.h>
#include <err.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { PIECE = 65536 };

static double now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return time.tv_sec + time.tv_nsec * 1e-9;
}

int main(int count, char **words)
{
    if (count != 2)
        errx(2, "usage: bulk_blocking PIECES");
    static char out[PIECE], in[PIECE];
    int pieces = atoi(words[1]);
    memset(out, 'x', PIECE);

    double begun = now();
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof address;
    int listener = socket(AF_INET, SOCK_STREAM, 0), client = socket(AF_INET, SOCK_STREAM, 0);
    if (listener < 0 || client < 0 || bind(listener, (struct sockaddr *)&address, size) < 0 || listen(listener, 1) < 0
        || getsockname(listener, (struct sockaddr *)&address, &size) < 0
        || connect(client, (struct sockaddr *)&address, size) < 0)
        err(1, "connect");
    int server = accept(listener, NULL, NULL);
    if (server < 0)
        err(1, "accept");
    for (int piece = 0; piece < pieces; piece++)
        for (ssize_t sent = 0, got = 0; got < PIECE;) {
            if (sent < PIECE) {
                ssize_t some = send(client, out + sent, PIECE - sent, MSG_DONTWAIT);
                if (some > 0)
                    sent += some;
            }
            ssize_t some = recv(server, in, PIECE, 0);
            if (some <= 0)
                err(1, "recv");
            got += some;
        }
    close(server);
    close(client);
    close(listener);
    printf("%.9f\n", now() - begun);
    return 0;
}

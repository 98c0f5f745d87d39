"""Runs a command on a terminal of its own. Reads JSON: the command and steps ["see", text], ["type", text], ["mode"],
["signal", number]. Prints JSON: what "mode" found (line by line and echoing, or neither) and the exit status."""
import json, os, pty, select, sys, termios, time

command, steps = json.load(sys.stdin)
pid, fd = pty.fork()
if pid == 0:
    os.execv(command[0], command)
seen, modes, status = b"", [], None


def mode():
    flags = termios.tcgetattr(fd)[3]
    modes.append([bool(flags & termios.ICANON), bool(flags & termios.ECHO)])


def read():
    global seen
    if select.select([fd], [], [], 0.1)[0]:
        try:
            seen += os.read(fd, 65536)
        except OSError:
            pass


for step in steps:
    if step[0] == "type":
        os.write(fd, step[1].encode("latin1"))
    elif step[0] == "signal":
        os.kill(pid, step[1])
    elif step[0] == "mode":
        mode()
    else:
        limit = time.time() + 50
        while step[1].encode() not in seen and time.time() < limit:
            read()
        if step[1].encode() not in seen:
            os.kill(pid, 9)
            sys.exit("did not see %r in %r" % (step[1], seen))
        seen = seen[seen.index(step[1].encode()) + len(step[1].encode()):]
while True:
    done, how = os.waitpid(pid, os.WNOHANG)
    if done:
        break
    read()
mode()
print(json.dumps({"status": os.waitstatus_to_exitcode(how), "modes": modes}))

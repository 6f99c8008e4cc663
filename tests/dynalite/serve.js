// dynalite on a free port of loopback; its own program cannot be given port 0.
//
//     node serve.js [FOLDER]     with a folder the tables outlive the process
//
// Prints the port when it accepts connections, and ends when stdin does: no orphans.
const dynalite = require('dynalite')

const options = { createTableMs: 0, deleteTableMs: 0 }
if (process.argv[2]) options.path = process.argv[2]
const server = dynalite(options).listen(0, '127.0.0.1', () => console.log(server.address().port))
process.stdin.on('end', () => process.exit()).resume()
